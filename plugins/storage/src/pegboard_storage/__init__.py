"""Seven scopes of files for mods: who may read and write, encrypted where it matters."""
