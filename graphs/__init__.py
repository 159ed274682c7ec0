"""Drivers that need LangGraph, and the configuration that builds everything."""
