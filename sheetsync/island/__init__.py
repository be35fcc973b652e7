"""The room `island`; see ARCHITECTURE.md."""
