//! Fuzz targets and their properties.
