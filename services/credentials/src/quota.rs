//! YouTube's daily units, counted in Postgres for all replicas.
