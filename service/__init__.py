"""The doors that people use: the command line."""
