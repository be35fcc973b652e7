"""The pages of the Workbench: one module a topic; every route is listed in `web.routes`."""
