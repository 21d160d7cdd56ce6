"""Other routers, measured on the same texts; each script runs in an environment of its own."""
