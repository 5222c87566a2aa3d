"""Recurrent layers, products and the output layer's loss in C++: `kernels.h` says what the library does."""
