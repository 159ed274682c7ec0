"""Confidence-gated routing for LLM applications: answer, retrieve, escalate or abstain."""

from __future__ import annotations
