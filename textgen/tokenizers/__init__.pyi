from .base import FILL as FILL
from .base import Tokenizer as Tokenizer
from .characters import Characters as Characters
from .encoding import encode_training as encode_training
from .encoding import fit_tokenizer as fit_tokenizer
from .stored import Stored as Stored
from .tokens import BOUNDARY as BOUNDARY
from .tokens import ESCAPE as ESCAPE
from .tokens import EncodedDocument as EncodedDocument
from .tokens import Rendered as Rendered
from .words.filling import SENTENCE_END as SENTENCE_END
from .words.fitting import Words as Words
from .words.rare_words.unk import Unk as Unk
from .words.tokenizer import pretokenize as pretokenize
from .words.vocabulary import split_space as split_space

TABLE: dict[str, str]
