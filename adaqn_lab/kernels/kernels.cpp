// Products of the stored rows with one vector, the L-BFGS direction, and what a step does to single vectors, in one pass
// over the memory each.
//
// Floats are multiplied and added in float, at most FLUSH in one chain; what is longer is summed in double. The
// partial sums of a block are kept and added in the blocks' order, so that the result does not depend on threads.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

namespace {

using at::Tensor;

constexpr int64_t BLOCK = 8192;  // elements of a vector which one task works on
constexpr int TOGETHER = 16;  // rows of floats which are worked on together, of doubles half as many: registers are few
constexpr int64_t NEAR = 4096;  // elements of a vector whose rows of Y stay in the cache between their two uses
constexpr int64_t FLUSH = 1024;  // elements summed in float before the sum goes on in double
constexpr int64_t GRAIN = 1 << 17;  // elements of the rows below which a thread is not worth its start
constexpr int LANES = 16;

template <typename T>
struct Lanes {
  typedef T type __attribute__((vector_size(LANES * sizeof(T)), aligned(alignof(T))));
};

// LANES numbers of a row, as numbers to calculate with.
template <typename T>
inline typename Lanes<T>::type load(const T* from) {
  typename Lanes<T>::type value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

inline Lanes<float>::type load(const at::BFloat16* from) {
  typedef uint16_t Half __attribute__((vector_size(LANES * 2)));
  typedef uint32_t Word __attribute__((vector_size(LANES * 4)));
  Half half;
  std::memcpy(&half, from, sizeof(half));
  Word word = __builtin_convertvector(half, Word) << 16;
  Lanes<float>::type value;
  std::memcpy(&value, &word, sizeof(value));
  return value;
}

template <typename T>
inline void store(T* to, typename Lanes<T>::type value) {
  std::memcpy(to, &value, sizeof(value));
}

inline double sum(Lanes<double>::type lanes) {
  double total = 0;
  for (int l = 0; l < LANES; ++l) total += lanes[l];
  return total;
}

// out[k] += rows[k] . v for K rows, `stride` apart.
template <int K, typename Row, typename T>
inline void dot_group(const Row* rows, int64_t stride, const T* v, int64_t size, double* out) {
  using Double = Lanes<double>::type;
  int64_t j = 0;
  Double wide[K] = {};
  while (j + LANES <= size) {
    const int64_t stop = std::min(size, j + FLUSH);
    typename Lanes<T>::type total[K] = {};
    for (; j + LANES <= stop; j += LANES) {
      const auto x = load(v + j);
      for (int k = 0; k < K; ++k) total[k] += load(rows + k * stride + j) * x;
    }
    for (int k = 0; k < K; ++k) wide[k] += __builtin_convertvector(total[k], Double);
  }
  for (int k = 0; k < K; ++k) out[k] += sum(wide[k]);
  for (; j < size; ++j)
    for (int k = 0; k < K; ++k) out[k] += static_cast<double>(static_cast<T>(rows[k * stride + j]) * v[j]);
}

// v += sum_k c[k] rows[k] for K rows.
template <int K, typename Row, typename T>
inline void add_group(T* v, const T* c, const Row* rows, int64_t stride, int64_t size) {
  int64_t j = 0;
  for (; j + LANES <= size; j += LANES) {
    auto x = load(v + j);
    for (int k = 0; k < K; ++k) x += c[k] * load(rows + k * stride + j);
    store(v + j, x);
  }
  for (; j < size; ++j)
    for (int k = 0; k < K; ++k) v[j] += c[k] * static_cast<T>(rows[k * stride + j]);
}

template <typename Row, typename T>
void dots(const Row* rows, int64_t m, int64_t stride, const T* v, int64_t size, double* out) {
  int64_t i = 0;
  for (; i + 5 <= m; i += 5) dot_group<5>(rows + i * stride, stride, v, size, out + i);
  for (; i + 2 <= m; i += 2) dot_group<2>(rows + i * stride, stride, v, size, out + i);
  for (; i < m; ++i) dot_group<1>(rows + i * stride, stride, v, size, out + i);
}

template <typename Row, typename T>
void add(T* v, const T* c, const Row* rows, int64_t m, int64_t stride, int64_t size) {
  int64_t i = 0;
  for (; i + 5 <= m; i += 5) add_group<5>(v, c + i, rows + i * stride, stride, size);
  for (; i + 2 <= m; i += 2) add_group<2>(v, c + i, rows + i * stride, stride, size);
  for (; i < m; ++i) add_group<1>(v, c + i, rows + i * stride, stride, size);
}

// Where the R x m rows of n elements lie.
template <typename Row>
struct Rows {
  const Row* data;
  int64_t runs, m, n, blocks;

  explicit Rows(const Tensor& t)
      : data(t.data_ptr<Row>()), runs(t.size(0)), m(t.size(1)), n(t.size(2)), blocks((n + BLOCK - 1) / BLOCK) {}

  const Row* at(int64_t run, int64_t start) const { return data + run * m * n + start; }

  // Call work(run, block, start, size) for every block of every run.
  template <typename Work>
  void each(const Work& work) const {
    const int64_t grain = std::max<int64_t>(1, GRAIN / (BLOCK * std::max<int64_t>(m, 1)));
    at::parallel_for(0, runs * blocks, grain, [&](int64_t from, int64_t to) {
      for (int64_t task = from; task < to; ++task) {
        const int64_t run = task / blocks, block = task % blocks, start = block * BLOCK;
        work(run, block, start, std::min(BLOCK, n - start));
      }
    });
  }

  std::vector<double> partial() const { return std::vector<double>(runs * blocks * m, 0.0); }

  // The blocks' sums of one run, added in their order.
  void total(const std::vector<double>& parts, int64_t run, double* out) const {
    std::fill(out, out + m, 0.0);
    for (int64_t b = 0; b < blocks; ++b)
      for (int64_t i = 0; i < m; ++i) out[i] += parts[(run * blocks + b) * m + i];
  }
};

template <typename Row, typename T>
void rows_dot_(const Rows<Row>& rows, const T* v, double* out) {
  auto parts = rows.partial();
  rows.each([&](int64_t run, int64_t block, int64_t start, int64_t size) {
    dots(rows.at(run, start), rows.m, rows.n, v + run * rows.n + start, size,
         parts.data() + (run * rows.blocks + block) * rows.m);
  });
  for (int64_t run = 0; run < rows.runs; ++run) rows.total(parts, run, out + run * rows.m);
}

template <typename Row, typename T>
void add_combination_(T* v, const double* c, const Rows<Row>& rows) {
  std::vector<T> rounded(c, c + rows.runs * rows.m);
  rows.each([&](int64_t run, int64_t, int64_t start, int64_t size) {
    add(v + run * rows.n + start, rounded.data() + run * rows.m, rows.at(run, start), rows.m, rows.n, size);
  });
}

// H0 = diag(gamma / sqrt(weight squares + eps)), or gamma I without squares.
template <typename T>
struct Initial {
  const T* squares;
  const double *weight, *gamma;
  double eps;

  void apply(T* v, int64_t run, int64_t offset, int64_t size) const {
    const T g = gamma ? static_cast<T>(gamma[run]) : T(1), e = static_cast<T>(eps);
    if (!squares) {
      if (gamma)
        for (int64_t j = 0; j < size; ++j) v[j] *= g;
      return;
    }
    const T w = weight ? static_cast<T>(weight[run]) : T(1);
    const T* G = squares + offset;
    for (int64_t j = 0; j < size; ++j) v[j] = g * v[j] / std::sqrt(w * G[j] + e);
  }
};

// p = H0 (p + sum_k a[k] rows[k]), out[k] += rows[k] . p for K rows, each element of which is read once.
template <int K, typename Row, typename T>
void middle_group(const Row* rows, int64_t stride, const T* a, T* p, const Initial<T>& h0, int64_t run, int64_t offset,
                  int64_t size, double* out) {
  using Few = typename Lanes<T>::type;
  using Double = Lanes<double>::type;
  Double wide[K] = {};
  int64_t j = 0;
  while (j + LANES <= size) {
    const int64_t stop = std::min(size, j + FLUSH);
    Few total[K] = {};
    for (; j + LANES <= stop; j += LANES) {
      Few row[K], x = load(p + j);
      for (int k = 0; k < K; ++k) {
        row[k] = load(rows + k * stride + j);
        x += a[k] * row[k];
      }
      alignas(64) T few[LANES];
      store(few, x);
      h0.apply(few, run, offset + j, LANES);
      x = load(few);
      store(p + j, x);
      for (int k = 0; k < K; ++k) total[k] += row[k] * x;
    }
    for (int k = 0; k < K; ++k) wide[k] += __builtin_convertvector(total[k], Double);
  }
  for (int k = 0; k < K; ++k) out[k] += sum(wide[k]);
  for (; j < size; ++j) {
    for (int k = 0; k < K; ++k) p[j] += a[k] * static_cast<T>(rows[k * stride + j]);
    h0.apply(p + j, run, offset + j, 1);
    for (int k = 0; k < K; ++k) out[k] += static_cast<double>(static_cast<T>(rows[k * stride + j]) * p[j]);
  }
}

// The same for m rows, read once; where there are too many, twice, the second time from the nearest cache.
template <int K = 1, typename Row, typename T>
void middle(const Row* rows, int64_t m, int64_t stride, const T* a, T* p, const Initial<T>& h0, int64_t run,
            int64_t offset, int64_t size, double* out) {
  if (m == K) return middle_group<K>(rows, stride, a, p, h0, run, offset, size, out);
  if constexpr (K * sizeof(T) < TOGETHER * sizeof(float))
    return middle<K + 1>(rows, m, stride, a, p, h0, run, offset, size, out);
  for (int64_t at = 0; at < size; at += NEAR) {
    const int64_t few = std::min(NEAR, size - at);
    add(p + at, a, rows + at, m, stride, few);
    h0.apply(p + at, run, offset + at, few);
    dots(rows + at, m, stride, p + at, few, out);
  }
}

// v <- H v: alpha = A S v; q = v - Y' alpha; p = H0 q; H v = p + S' A' (D alpha - Y p), A and D zero on empty slots.
template <typename Row, typename T>
void direction_(const Rows<Row>& S, const Rows<Row>& Y, const double* A, const double* D, const bool* held,
                T* v, const Initial<T>& h0) {
  const int64_t m = S.m, n = S.n, runs = S.runs;
  std::vector<double> b(m), alpha(runs * m), c(m);
  std::vector<T> minus_alpha(runs * m), gamma(runs * m);
  auto parts = S.partial();
  S.each([&](int64_t run, int64_t block, int64_t start, int64_t size) {
    dots(S.at(run, start), m, n, v + run * n + start, size, parts.data() + (run * S.blocks + block) * m);
  });
  for (int64_t run = 0; run < runs; ++run) {
    S.total(parts, run, b.data());
    for (int64_t i = 0; i < m; ++i) {
      double a = 0;
      for (int64_t k = 0; k < m; ++k)
        if (held[run * m + k]) a += A[(run * m + i) * m + k] * b[k];
      alpha[run * m + i] = held[run * m + i] ? a : 0.0;
      minus_alpha[run * m + i] = static_cast<T>(-alpha[run * m + i]);
    }
  }
  std::fill(parts.begin(), parts.end(), 0.0);
  Y.each([&](int64_t run, int64_t block, int64_t start, int64_t size) {
    middle(Y.at(run, start), m, n, minus_alpha.data() + run * m, v + run * n + start, h0, run, run * n + start, size,
           parts.data() + (run * Y.blocks + block) * m);
  });
  for (int64_t run = 0; run < runs; ++run) {
    Y.total(parts, run, c.data());
    for (int64_t i = 0; i < m; ++i) c[i] = held[run * m + i] ? D[run * m + i] * alpha[run * m + i] - c[i] : 0.0;
    for (int64_t i = 0; i < m; ++i) {
      double a = 0;
      for (int64_t k = 0; k < m; ++k) a += A[(run * m + k) * m + i] * c[k];
      gamma[run * m + i] = held[run * m + i] ? static_cast<T>(a) : T(0);
    }
  }
  S.each([&](int64_t run, int64_t, int64_t start, int64_t size) {
    add(v + run * n + start, gamma.data() + run * m, S.at(run, start), m, n, size);
  });
}

// Which runs have a |v|^2 that is finite in T; v becomes zero in the others, and where `where` is false.
template <typename T>
void keep_finite_(const Rows<T>& v, T* data, const bool* where, bool* finite) {
  auto parts = v.partial();
  v.each([&](int64_t run, int64_t block, int64_t start, int64_t size) {
    dots(v.at(run, start), 1, v.n, v.at(run, start), size, parts.data() + run * v.blocks + block);
  });
  for (int64_t run = 0; run < v.runs; ++run) {
    double total;
    v.total(parts, run, &total);
    finite[run] = std::isfinite(static_cast<T>(total));
    if (!finite[run] || (where && !where[run])) std::fill(data + run * v.n, data + (run + 1) * v.n, T(0));
  }
}

// The elements of one parameter's segment: `rows` runs of `size` neighbours, `stride` apart.
template <typename T>
struct Segment {
  T* data;
  int64_t stride;

  explicit Segment(const Tensor& t) : data(t.data_ptr<T>()), stride(t.dim() ? t.stride(0) : 0) {}

  T* row(int64_t r) const { return data + r * stride; }
};

// total += parameter - reference; then, at a rate other than 0, parameter -= rate d. One pass.
template <typename T>
void descend_segment(const Tensor& total, const Tensor& parameter, const Tensor& reference, const Tensor* d, double rate,
                     int64_t rows) {
  const int64_t size = parameter.numel() / std::max<int64_t>(rows, 1);
  const Segment<T> totals(total), parameters(parameter), references(reference), ds(d ? *d : total);
  const T by = static_cast<T>(-rate);
  for (int64_t run = 0; run < rows; ++run) {
    T *t = totals.row(run), *p = parameters.row(run);
    const T *r = references.row(run), *v = ds.row(run);
    at::parallel_for(0, size, GRAIN, [&](int64_t from, int64_t to) {
      if (by == T(0)) {
        for (int64_t j = from; j < to; ++j) t[j] += p[j] - r[j];
      } else {
        for (int64_t j = from; j < to; ++j) {
          const T w = p[j];
          t[j] += w - r[j];
          p[j] = w + by * v[j];
        }
      }
    });
  }
}

// Call f.template operator()<Row, T>() with the types of the rows and of the vector.
template <typename F>
void with_types(const Tensor& rows, const Tensor& v, const F& f) {
  const auto row = rows.scalar_type(), type = v.scalar_type();
  if (row == at::kFloat && type == at::kFloat) return f(float(), float());
  if (row == at::kDouble && type == at::kDouble) return f(double(), double());
  if (row == at::kBFloat16 && type == at::kFloat) return f(at::BFloat16(), float());
  TORCH_CHECK(false, "adaqn_lab: no kernel for rows and a vector of these types");
}

void check(const Tensor& rows, const Tensor& v) {
  TORCH_CHECK(rows.dim() == 3 && v.dim() == 2 && rows.size(0) == v.size(0) && rows.size(2) == v.size(1) &&
                  rows.is_contiguous() && v.is_contiguous() && rows.is_cpu() && v.is_cpu(),
              "adaqn_lab: rows (R, m, n) and a vector (R, n) on the CPU, contiguous");
}

Tensor rows_dot(const Tensor& rows, const Tensor& v) {
  check(rows, v);
  Tensor out = at::empty({rows.size(0), rows.size(1)}, v.options().dtype(at::kDouble));
  with_types(rows, v, [&](auto row, auto type) {
    using T = decltype(type);
    rows_dot_(Rows<decltype(row)>(rows), v.data_ptr<T>(), out.data_ptr<double>());
  });
  return out;
}

void add_combination(Tensor v, const Tensor& coefficients, const Tensor& rows) {
  check(rows, v);
  const Tensor c = coefficients.to(at::kDouble).contiguous();
  v.unsafeGetTensorImpl()->bump_version();
  with_types(rows, v, [&](auto row, auto type) {
    using T = decltype(type);
    add_combination_(v.data_ptr<T>(), c.data_ptr<double>(), Rows<decltype(row)>(rows));
  });
}

const double* scalars(const std::optional<Tensor>& t, int64_t runs) {
  if (!t) return nullptr;
  TORCH_CHECK(t->scalar_type() == at::kDouble && t->numel() == runs && t->is_contiguous(), "adaqn_lab: (R,) float64");
  return t->data_ptr<double>();
}

const bool* marks(const std::optional<Tensor>& t, int64_t runs) {
  if (!t) return nullptr;
  TORCH_CHECK(t->scalar_type() == at::kBool && t->numel() == runs && t->is_contiguous(), "adaqn_lab: (R,) bool");
  return t->data_ptr<bool>();
}

void direction(Tensor v, const Tensor& S, const Tensor& Y, const Tensor& A, const Tensor& D, const Tensor& held,
               const std::optional<Tensor>& squares, const std::optional<Tensor>& weight,
               const std::optional<Tensor>& gamma, double eps) {
  check(S, v);
  check(Y, v);
  TORCH_CHECK(S.scalar_type() == Y.scalar_type() && A.is_contiguous() && D.is_contiguous() && held.is_contiguous() &&
                  (!squares || (squares->is_contiguous() && squares->scalar_type() == v.scalar_type())),
              "adaqn_lab: S and Y of one type; everything contiguous");
  v.unsafeGetTensorImpl()->bump_version();
  with_types(S, v, [&](auto row, auto type) {
    using T = decltype(type);
    const Initial<T> h0{squares ? squares->data_ptr<T>() : nullptr, scalars(weight, v.size(0)),
                        scalars(gamma, v.size(0)), eps};
    direction_(Rows<decltype(row)>(S), Rows<decltype(row)>(Y), A.data_ptr<double>(), D.data_ptr<double>(),
               held.data_ptr<bool>(), v.data_ptr<T>(), h0);
  });
}

Tensor keep_finite(Tensor v, const std::optional<Tensor>& where) {
  const Tensor rows = v.unsqueeze(1);
  check(rows, v);
  v.unsafeGetTensorImpl()->bump_version();
  Tensor finite = at::empty({v.size(0)}, v.options().dtype(at::kBool));
  with_types(rows, v, [&](auto row, auto type) {
    if constexpr (std::is_same_v<decltype(row), decltype(type)>)
      keep_finite_(Rows<decltype(row)>(rows), v.data_ptr<decltype(row)>(), marks(where, v.size(0)),
                   finite.data_ptr<bool>());
  });
  return finite;
}

void write_row(Tensor rows, const Tensor& v, const Tensor& head, const std::optional<Tensor>& where) {
  check(rows, v);
  const int64_t runs = rows.size(0), m = rows.size(1), n = rows.size(2);
  const bool* chosen = marks(where, runs);
  rows.unsafeGetTensorImpl()->bump_version();
  TORCH_CHECK(head.scalar_type() == at::kLong && head.numel() == runs && head.is_contiguous(), "adaqn_lab: (R,) int64");
  with_types(rows, v, [&](auto row, auto type) {
    using Row = decltype(row);
    for (int64_t run = 0; run < runs; ++run) {
      if (chosen && !chosen[run]) continue;
      const int64_t slot = head.data_ptr<int64_t>()[run];
      // No number in the text: formatting one ends the process where the compiler links a C++ library of its own.
      TORCH_CHECK_INDEX(0 <= slot && slot < m, "adaqn_lab: head is no slot of the rows");
      Row* to = rows.data_ptr<Row>() + (run * m + slot) * n;
      const auto* from = v.data_ptr<decltype(type)>() + run * n;
      at::parallel_for(0, n, GRAIN, [&](int64_t begin, int64_t end) {
        for (int64_t j = begin; j < end; ++j) to[j] = static_cast<Row>(from[j]);
      });
    }
  });
}

// Whether a segment's rows are neighbours in memory: contiguous, or (R, ...) with contiguous runs.
bool plain(const Tensor& t, at::ScalarType type, bool whole) {
  if (t.scalar_type() != type || !t.is_cpu()) return false;
  return whole ? t.is_contiguous() : t.dim() > 0 && t.size(0) > 0 && t.select(0, 0).is_contiguous();
}

void descend(at::TensorList totals, at::TensorList parameters, at::TensorList references, at::TensorList d,
             at::ArrayRef<double> rates) {
  TORCH_CHECK(totals.size() == parameters.size() && references.size() == parameters.size() &&
                  (d.empty() || (d.size() == parameters.size() && rates.size() == parameters.size())),
              "adaqn_lab: lists of one length");
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor *p = &parameters[i], *t = &totals[i], *r = &references[i], *by = d.empty() ? nullptr : &d[i];
    const double rate = by ? rates[i] : 0.0;
    const auto type = t->scalar_type();
    const auto all = [&](bool whole) {
      return plain(*t, type, whole) && plain(*p, type, whole) && plain(*r, type, whole) &&
             (!by || plain(*by, type, whole));
    };
    const bool whole = all(true);
    if ((type == at::kFloat || type == at::kDouble) && (whole || all(false))) {
      const int64_t rows = whole ? 1 : p->size(0);
      // Autograd finds by the version that a tensor it saved was written to.
      t->unsafeGetTensorImpl()->bump_version();
      if (rate != 0) p->unsafeGetTensorImpl()->bump_version();
      if (type == at::kFloat)
        descend_segment<float>(*t, *p, *r, by, rate, rows);
      else
        descend_segment<double>(*t, *p, *r, by, rate, rows);
      continue;
    }
    Tensor total = *t, parameter = *p;
    total.add_(*p).sub_(*r);
    if (rate != 0) parameter.add_(*by, -rate);
  }
}

// The kernels are in use while this lives: for the CPU, so that what watches operators sees one.
std::unique_ptr<torch::Library> in_use;

void use(bool on) {
  in_use.reset();
  if (!on) return;
  in_use = std::make_unique<torch::Library>(torch::Library::IMPL, "adaqn_lab", c10::DispatchKey::CPU, __FILE__, __LINE__);
  in_use->impl("rows_dot", rows_dot);
  in_use->impl("add_combination_", add_combination);
  in_use->impl("direction_", direction);
  in_use->impl("keep_finite_", keep_finite);
  in_use->impl("write_row_", write_row);
  in_use->impl("descend_", descend);
}

}  // namespace

// Their schemas and plain forms are in adaqn_lab/operators.py.
TORCH_LIBRARY(adaqn_lab_kernels, library) { library.def("use_(bool on) -> ()", use); }
