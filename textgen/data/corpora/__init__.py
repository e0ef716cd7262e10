"""PLUG-IN: sources of text."""

TABLE = {
    "lovecraft": "textgen.data.corpora.published:Lovecraft",
    "wikipedia": "textgen.data.corpora.published:Wikipedia",
    "folder": "textgen.data.corpora.files:Folder",
    "file": "textgen.data.corpora.files:File",
}
