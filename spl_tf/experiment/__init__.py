"""The whole method as one resumable run: data sets in, a table of strategies out."""
