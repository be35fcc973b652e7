"""The room `exports`; see ARCHITECTURE.md."""
