//! Measures what a source is made of.
