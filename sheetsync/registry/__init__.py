"""The room `registry`; see ARCHITECTURE.md."""
