/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the C++ part of target_mangled: 20000 functions of class templates, each a write of a byte of its own. */
#include <stdio.h>

#define N_OUTER 200
#define N_INNER 100

static const char prologue[] =
        "namespace faultline_mangled {\n"
        "template <class Element, int Rank> struct multidimensional_container;\n"
        "template <class Key, class Value> struct associative_container_with_a_long_name {\n"
        "        template <class Argument> static __attribute__((noinline, visibility(\"default\")))\n"
        "        void store_through_a_volatile_pointer(volatile char *p) { *p = Argument::value; }\n"
        "};\n"
        "template <int N> struct constant { static const char value = (char)N; };\n"
        "template <int A, int B> using function_of = associative_container_with_a_long_name<\n"
        "        multidimensional_container<multidimensional_container<unsigned long, A>, B>,\n"
        "        multidimensional_container<constant<A * 1000 + B>, A>>;\n"
        "}\n"
        "using namespace faultline_mangled;\n"
        "extern \"C\" {\n"
        "extern __attribute__((visibility(\"default\"))) const unsigned long mangled_n_functions;\n"
        "const unsigned long mangled_n_functions = %d;\n"
        "extern __attribute__((visibility(\"default\"))) void (*const mangled_functions[])(volatile char *);\n"
        "void (*const mangled_functions[])(volatile char *) = {\n";

int main(void)
{
        (void)printf(prologue, N_OUTER * N_INNER);
        for (int a = 0; a < N_OUTER; a++)
                for (int b = 0; b < N_INNER; b++)
                        (void)printf("function_of<%d, %d>::store_through_a_volatile_pointer<constant<%d>>,\n", a, b,
                                     a * N_INNER + b);
        (void)printf("};\n}\n");
        return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
