"""Prompts as package data: one text file per style, without code."""
