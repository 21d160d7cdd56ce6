"""The app: command line now, HTTP and pages on top of the same Board."""
