"""What a browser, and whoever fetches for a caller, may connect to."""
