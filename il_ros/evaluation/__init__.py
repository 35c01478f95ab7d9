"""How good a policy is, how well its monitor watches, and a report that says both."""
