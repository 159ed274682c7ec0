"""Prompts as package data."""
