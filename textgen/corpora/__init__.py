"""PLUG-IN: where text comes from."""

TABLE = {
    "lovecraft": "textgen.corpora.lovecraft:Lovecraft",
    "wikipedia": "textgen.corpora.wikipedia:Wikipedia",
    "folder": "textgen.corpora.folder:Folder",
    "file": "textgen.corpora.file:File",
}
