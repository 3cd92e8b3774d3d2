"""Where a session's verdicts are sent besides the terminal: other people's services and stores."""
