"""Values and rules of the domain: no I/O, no clock, no Google. Import from the modules."""
