/** Bare-metal programs that run for ever, each of one kind of work. Code and data share no page. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  /** Sieve of Eratosthenes over 64 KiB: byte stores, branches. */
  sieve: `
    again:
      la s0, array
      li s1, 65536
      mv t0, s0
      add t1, s0, s1
    clear:
      sb zero, 0(t0)
      addi t0, t0, 1
      bltu t0, t1, clear
      li s2, 2
    outer:
      add t0, s0, s2
      lbu t2, 0(t0)
      bnez t2, next
      add t0, t0, s2
      li t3, 1
    mark:
      bgeu t0, t1, next
      sb t3, 0(t0)
      add t0, t0, s2
      j mark
    next:
      addi s2, s2, 1
      li t4, 256
      blt s2, t4, outer
      j again
      .balign 4096
    array: .space 65536
  `,
  /** 2048-bit multiplication by columns: what signatures of kernel modules cost. */
  bignum: `
    again:
      la s0, a
      la s1, b
      la s2, product
      li s3, 0
    row:
      slli t0, s3, 3
      add t1, s0, t0
      ld s4, 0(t1)
      add s5, s2, t0
      mv s6, s1
      li s7, 32
      li s8, 0
    column:
      ld t2, 0(s6)
      mul t3, s4, t2
      mulhu t4, s4, t2
      ld t5, 0(s5)
      add t3, t3, s8
      sltu t6, t3, s8
      add t4, t4, t6
      add t5, t5, t3
      sltu t6, t5, t3
      add s8, t4, t6
      sd t5, 0(s5)
      addi s6, s6, 8
      addi s5, s5, 8
      addi s7, s7, -1
      bnez s7, column
      sd s8, 0(s5)
      addi s3, s3, 1
      li t0, 32
      blt s3, t0, row
      j again
      .balign 4096
    a: .dword ${Array.from({ length: 32 }, (_, i) => 0x9e37_79b9 + i).join(', ')}
    b: .dword ${Array.from({ length: 32 }, (_, i) => 0x7f4a_7c15 + 3 * i).join(', ')}
    product: .space 520
  `,
  /** Copies 32 KiB by words. */
  copy: `
    again:
      la t0, from
      la t1, to
      li t2, 4096
    loop:
      ld t3, 0(t0)
      sd t3, 0(t1)
      addi t0, t0, 8
      addi t1, t1, 8
      addi t2, t2, -1
      bnez t2, loop
      j again
      .balign 4096
    from: .space 32768
    to: .space 32768
  `,
  /** Recursive Fibonacci: calls, returns, stack. */
  calls: `
      la sp, stack
    again:
      li a0, 20
      call fib
      j again
    fib:
      li t0, 2
      blt a0, t0, leaf
      addi sp, sp, -24
      sd ra, 0(sp)
      sd s0, 8(sp)
      sd s1, 16(sp)
      mv s0, a0
      addi a0, s0, -1
      call fib
      mv s1, a0
      addi a0, s0, -2
      call fib
      add a0, a0, s1
      ld ra, 0(sp)
      ld s0, 8(sp)
      ld s1, 16(sp)
      addi sp, sp, 24
    leaf:
      ret
      .balign 4096
      .space 4096
    stack: .dword 0
  `,
  /** Doubles: a logistic map, its flags already sticky. */
  float: `
      li t0, 0x6000
      csrrs zero, 0x300, t0
      li t0, 7
      fcvt.d.l fa0, t0, rne
      li t0, 10
      fcvt.d.l fa1, t0, rne
      fdiv.d fa0, fa0, fa1, dyn
      li t0, 39
      fcvt.d.l fa2, t0, rne
      fdiv.d fa2, fa2, fa1, dyn
      li t0, 1
      fcvt.d.l fa3, t0, rne
    loop:
      fsub.d fa4, fa3, fa0, dyn
      fmul.d fa0, fa0, fa2, dyn
      fmul.d fa0, fa0, fa4, dyn
      j loop
  `,
};
