//! The pickle inside a `.pt` file, read and never run.
//!
//! A pickle is a program; this reads the few instructions by which PyTorch describes a tensor (pickletools, protocol 2)
//! and three names: the rebuilding of a tensor, the types of storage, and an ordered dictionary. Anything else is
//! refused.

use std::collections::BTreeMap;

use osteon_table::array::Number;

/// A tensor: a view of a storage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    pub number: Number,
    /// Name of the storage in the archive.
    pub storage: String,
    /// Numbers in the storage.
    pub size: u64,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub strides: Vec<u64>,
}

/// What a pickle describes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    None,
    Bool,
    Int(i64),
    Text(String),
    Tuple(Vec<Object>),
    Dict(Vec<(Object, Object)>),
    Global(Name),
    Storage { number: Number, key: String, size: u64 },
    Tensor(View),
    Mark,
}

/// The names that a pickle may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Name {
    RebuildTensor,
    OrderedDict,
    Storage(Number),
}

fn name(module: &str, name: &str) -> Result<Name, String> {
    Ok(match (module, name) {
        ("torch._utils", "_rebuild_tensor_v2") => Name::RebuildTensor,
        ("collections", "OrderedDict") => Name::OrderedDict,
        ("torch", "HalfStorage") => Name::Storage(Number::F16),
        ("torch", "BFloat16Storage") => Name::Storage(Number::Bf16),
        ("torch", "FloatStorage") => Name::Storage(Number::F32),
        ("torch", "DoubleStorage") => Name::Storage(Number::F64),
        _ => return Err(format!("it refers to {module}.{name}, which is not read: save the bare tensor")),
    })
}

/// Reads a pickle.
pub(super) fn parse(bytes: &[u8]) -> Result<Object, String> {
    Machine { bytes, at: 0, stack: Vec::new(), memo: BTreeMap::new() }.run()
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Object>,
    memo: BTreeMap<u32, Object>,
}

impl Machine<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let piece = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        self.at += count;
        piece.ok_or_else(|| "the pickle is cut off".to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn word(&mut self) -> Result<u32, String> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn text(&mut self, count: usize) -> Result<String, String> {
        String::from_utf8(self.take(count)?.to_vec()).map_err(|_| "a text is not UTF-8".to_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&b| b == b'\n').ok_or("the pickle is cut off")?;
        let line = self.text(length)?;
        self.at += 1;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Object, String> {
        self.stack.pop().ok_or_else(|| "its stack is empty".to_owned())
    }

    fn after_mark(&mut self) -> Result<Vec<Object>, String> {
        let mark = self.stack.iter().rposition(|o| *o == Object::Mark).ok_or("it has no mark")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn run(mut self) -> Result<Object, String> {
        loop {
            let code = self.byte()?;
            let object = match code {
                // PROTO, FRAME (of later protocols)
                0x80 => {
                    self.byte()?;
                    continue;
                }
                b'(' => Object::Mark,
                b'.' => return self.pop(),
                b'N' => Object::None,
                0x88 | 0x89 => Object::Bool,
                b'K' => Object::Int(i64::from(self.byte()?)),
                b'M' => Object::Int(i64::from(self.byte()?) | i64::from(self.byte()?) << 8),
                b'J' => Object::Int(i64::from(self.word()? as i32)),
                0x8a => {
                    let length = usize::from(self.byte()?);
                    if length > 8 {
                        return Err("an integer has more than 64 bits".into());
                    }
                    let digits = self.take(length)?;
                    let negative = digits.last().is_some_and(|b| b & 0x80 != 0);
                    let start = if negative { -1i64 } else { 0 };
                    Object::Int(digits.iter().rev().fold(start, |v, &b| (v << 8) | i64::from(b)))
                }
                b'X' => {
                    let length = self.word()? as usize;
                    Object::Text(self.text(length)?)
                }
                b'c' => {
                    let (module, what) = (self.line()?, self.line()?);
                    Object::Global(name(&module, &what)?)
                }
                b')' => Object::Tuple(Vec::new()),
                b't' => Object::Tuple(self.after_mark()?),
                0x85 => Object::Tuple(vec![self.pop()?]),
                0x86 => {
                    let b = self.pop()?;
                    Object::Tuple(vec![self.pop()?, b])
                }
                0x87 => {
                    let (c, b) = (self.pop()?, self.pop()?);
                    Object::Tuple(vec![self.pop()?, b, c])
                }
                b'}' => Object::Dict(Vec::new()),
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(vec![key, value])?;
                    continue;
                }
                b'u' => {
                    let items = self.after_mark()?;
                    self.set(items)?;
                    continue;
                }
                b'q' => {
                    let place = u32::from(self.byte()?);
                    self.remember(place)?;
                    continue;
                }
                b'r' => {
                    let place = self.word()?;
                    self.remember(place)?;
                    continue;
                }
                b'h' => {
                    let place = u32::from(self.byte()?);
                    self.recall(place)?
                }
                b'j' => {
                    let place = self.word()?;
                    self.recall(place)?
                }
                b'Q' => storage(self.pop()?)?,
                b'R' => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    call(function, arguments)?
                }
                other => return Err(format!("its instruction {other:#04x} is not one that a tensor needs")),
            };
            self.stack.push(object);
        }
    }

    fn remember(&mut self, place: u32) -> Result<(), String> {
        let top = self.stack.last().cloned().ok_or("its stack is empty")?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&self, place: u32) -> Result<Object, String> {
        self.memo.get(&place).cloned().ok_or_else(|| "it recalls what it has not kept".to_owned())
    }

    fn set(&mut self, items: Vec<Object>) -> Result<(), String> {
        let Some(Object::Dict(dict)) = self.stack.last_mut() else {
            return Err("it fills no dictionary".into());
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            dict.push((key, value));
        }
        Ok(())
    }
}

/// `('storage', type, key, device, size)`.
fn storage(object: Object) -> Result<Object, String> {
    if let Object::Tuple(parts) = object
        && let [
            Object::Text(kind),
            Object::Global(Name::Storage(number)),
            Object::Text(key),
            _,
            Object::Int(size),
        ] = parts.as_slice()
        && kind == "storage"
    {
        let size = u64::try_from(*size).map_err(|_| "a storage has a negative size")?;
        return Ok(Object::Storage { number: *number, key: key.clone(), size });
    }
    Err("it holds a storage of another kind".into())
}

fn call(function: Object, arguments: Object) -> Result<Object, String> {
    let Object::Tuple(arguments) = arguments else { return Err("it calls without arguments".into()) };
    match (function, arguments.as_slice()) {
        (Object::Global(Name::OrderedDict), []) => Ok(Object::Dict(Vec::new())),
        (
            Object::Global(Name::RebuildTensor),
            [
                Object::Storage { number, key, size },
                Object::Int(offset),
                Object::Tuple(shape),
                Object::Tuple(strides),
                ..,
            ],
        ) => {
            let natural = |o: &Object| match o {
                Object::Int(i) => u64::try_from(*i).map_err(|_| "a tensor has a negative extent".to_owned()),
                _ => Err("the shape of a tensor is not of numbers".to_owned()),
            };
            let list = |objects: &[Object]| objects.iter().map(natural).collect::<Result<Vec<_>, _>>();
            Ok(Object::Tensor(View {
                number: *number,
                storage: key.clone(),
                size: *size,
                offset: natural(&Object::Int(*offset))?,
                shape: list(shape)?,
                strides: list(strides)?,
            }))
        }
        _ => Err("it calls something else than the rebuilding of a tensor".into()),
    }
}
