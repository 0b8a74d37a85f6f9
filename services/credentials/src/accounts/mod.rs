//! Linked accounts: signing in, tokens, refreshing, unlinking.
