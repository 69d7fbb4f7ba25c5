"""Evaluation: runners, statistics, controls."""
