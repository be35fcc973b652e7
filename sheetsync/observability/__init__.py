"""The room `observability`; see ARCHITECTURE.md."""
