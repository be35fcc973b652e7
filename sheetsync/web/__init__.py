"""The room `web`; see ARCHITECTURE.md."""
