"""Devices a network runs on and the number format they multiply fastest."""
