"""The room `sync`; see ARCHITECTURE.md."""
