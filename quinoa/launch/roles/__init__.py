"""What a role of a run does (acting, learning, evaluating), whatever engine runs it."""
