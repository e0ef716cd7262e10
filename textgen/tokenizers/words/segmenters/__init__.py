"""PLUG-IN: where words end in scripts without spaces between them."""

TABLE = {
    "budoux": "textgen.tokenizers.words.segmenters.budoux:BudouX",
}
