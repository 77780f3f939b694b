"""Partner libraries to develop against: fakes of others, each speaking its protocol with all its peculiarities."""
