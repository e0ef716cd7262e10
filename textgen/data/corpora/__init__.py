"""PLUG-IN: sources of text."""

TABLE = {
    "lovecraft": "textgen.data.corpora.lovecraft:Lovecraft",
    "wikipedia": "textgen.data.corpora.wikipedia:Wikipedia",
    "folder": "textgen.data.corpora.folder:Folder",
    "file": "textgen.data.corpora.file:File",
}
