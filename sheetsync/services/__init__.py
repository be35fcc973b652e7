"""The room `services`; see ARCHITECTURE.md."""
