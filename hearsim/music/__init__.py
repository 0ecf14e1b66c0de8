"""Songs with stems: generated, from files, folders and data sets."""
