"""The bundled servers, one to a module: ``pbshell serve NAME``. They use what a plugin of anybody's may use."""
