//! Types that hold secrets and cannot print them.
