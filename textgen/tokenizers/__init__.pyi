from .base import REALISE as REALISE
from .base import Codec as Codec
from .characters import Characters as Characters
from .encoding import encode_training as encode_training
from .encoding import fit_tokenizer as fit_tokenizer
from .stored import Stored as Stored
from .tokens import BOUNDARY as BOUNDARY
from .tokens import ESCAPE as ESCAPE
from .tokens import Encoded as Encoded
from .tokens import Rendered as Rendered
from .words.filling import SENTENCE_END as SENTENCE_END
from .words.fitting import Words as Words
from .words.rare_words.unk import Unk as Unk
from .words.tokenizer import tokenise as tokenise
from .words.vocabulary import split_space as split_space

TABLE: dict[str, str]
