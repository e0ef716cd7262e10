"""Many runs: grouped, compared, rendered."""
