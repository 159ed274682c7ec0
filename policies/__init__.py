"""How to decide: policies, fitting, profiles and replay."""
