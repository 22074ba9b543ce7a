pytest_plugins = ["tests.requirements.plugin"]
