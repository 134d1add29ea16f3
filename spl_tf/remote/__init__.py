"""Folders of an object store, worked on in a local mirror: see `mirror`."""
