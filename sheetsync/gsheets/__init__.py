"""The room `gsheets`; see ARCHITECTURE.md."""
