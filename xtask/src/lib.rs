//! Developer commands: stack, tests, tidy.
