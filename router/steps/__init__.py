"""Confidence step by step: where the steps of an answer end, how sure each is, how to go on."""
