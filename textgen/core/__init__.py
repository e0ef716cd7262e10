"""What everything rests on: experiments and studies from TOML, errors, plug-ins, files, processes.

No text and no network."""
