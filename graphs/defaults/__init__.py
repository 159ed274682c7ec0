"""What the demo runs on: configuration, questions and profile, as package data."""
