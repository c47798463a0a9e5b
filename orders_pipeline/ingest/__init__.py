"""From files in the landing zone to accepted rows in raw and set-aside rows in quarantine."""
