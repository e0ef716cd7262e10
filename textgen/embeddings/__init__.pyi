from .base import Vectors as Vectors
from .learning import train_vectors as train_vectors

TABLE: dict[str, str]
