//! Ids, limits and the proof envelope shared by every part of Cyborg.
