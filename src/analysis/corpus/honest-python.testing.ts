import type { HonestRow } from "./honest.testing.ts";

const script = (code: string, more = {}, asks?: string): HonestRow => {
  const files = { "x.py": code, ...more };
  return asks === undefined ? ["python3 x.py", files] : ["python3 x.py", files, asks];
};

/** Scripts of Python. */
export const honestPython: readonly HonestRow[] = [
  script(
    "import argparse\nfrom pathlib import Path\n\ndef main():\n    p = argparse.ArgumentParser()\n    p.add_argument('path', type=Path)\n    a = p.parse_args()\n    print(a.path.read_text())\n\nif __name__ == '__main__':\n    main()\n",
  ),
  script(
    "import json, csv\nwith open('a.csv') as f, open('a.json', 'w') as g:\n    json.dump(list(csv.DictReader(f)), g, indent=2)\n",
  ),
  script(
    "import sqlite3\ncon = sqlite3.connect('x.db')\ncon.execute('create table t(a)')\ncon.executemany('insert into t values(?)', [(1,), (2,)])\ncon.commit()\n",
  ),
  script(
    "from dataclasses import dataclass, field, asdict\n@dataclass\nclass P:\n    name: str\n    tags: list = field(default_factory=list)\nprint(asdict(P('a')))\n",
  ),
  script(
    "import subprocess\ndef run(c):\n    return subprocess.run(c, shell=True, check=True, capture_output=True, text=True).stdout\nprint(run('ls -la'))\nprint(run('git status'))\n",
  ),
  script(
    "import subprocess\ndef sh(*args):\n    return subprocess.check_output(args, text=True)\nprint(sh('git', 'log', '-1'))\nprint(sh('ls'))\n",
  ),
  script(
    "import subprocess, sys\ndef run(cmd, cwd=None):\n    print('+', ' '.join(cmd))\n    subprocess.run(cmd, cwd=cwd, check=True)\nrun(['ls', '-l'])\nrun([sys.executable, 'y.py'], cwd='.')\n",
    { "y.py": "print(1)\n" },
  ),
  script("import subprocess\nfor cmd in ['ls', 'pwd']:\n    subprocess.run(cmd, shell=True)\n"),
  script(
    "import subprocess\nCOMMANDS = {'a': ['ls'], 'b': ['git', 'status']}\nfor name, cmd in COMMANDS.items():\n    r = subprocess.run(cmd, capture_output=True)\n    print(name, r.returncode)\n",
  ),
  script(
    "import subprocess\nclass Repo:\n    def __init__(self, path):\n        self.path = path\n    def git(self, *args):\n        return subprocess.run(['git', '-C', self.path, *args], check=True, text=True)\nr = Repo('.')\nr.git('status')\nr.git('log', '-1')\n",
  ),
  script(
    "import subprocess, sys\nr = subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True, text=True)\nassert r.stdout == '1\\n'\n",
  ),
  script(
    "import subprocess, sys\nfrom pathlib import Path\nhere = Path(__file__).parent\nsubprocess.run([sys.executable, str(here / 'y.py')], check=True)\n",
    { "y.py": "print(1)\n" },
  ),
  script(
    "import subprocess\nfrom concurrent.futures import ThreadPoolExecutor\ndef one(f):\n    return subprocess.run(['wc', '-l', f], capture_output=True, text=True).stdout\nwith ThreadPoolExecutor() as ex:\n    print(list(ex.map(one, ['a', 'b'])))\n",
  ),
  script(
    "from multiprocessing import Pool\ndef f(x):\n    return x * x\nif __name__ == '__main__':\n    with Pool(4) as p:\n        print(p.map(f, range(10)))\n",
  ),
  script(
    "import asyncio\nasync def work(n):\n    await asyncio.sleep(0.01)\n    return n\nasync def main():\n    print(await asyncio.gather(*(work(i) for i in range(3))))\nasyncio.run(main())\n",
  ),
  script(
    "import asyncio\nasync def run(cmd):\n    p = await asyncio.create_subprocess_shell(cmd, stdout=asyncio.subprocess.PIPE)\n    out, _ = await p.communicate()\n    return out\nprint(asyncio.run(run('ls')))\n",
  ),
  script(
    "import tempfile, shutil, os\nd = tempfile.mkdtemp()\ntry:\n    shutil.copytree('src', os.path.join(d, 'src'))\nfinally:\n    shutil.rmtree(d)\n",
  ),
  script(
    "def a(): print('a')\ndef b(): print('b')\nACTIONS = {'a': a, 'b': b}\nimport sys\nACTIONS[sys.argv[1]]()\n",
  ),
  script(
    "import sys\ndef cmd_build(): pass\ndef cmd_test(): pass\nname = sys.argv[1]\nglobals()['cmd_' + name]()\n",
    {},
    "Any name of the file may be meant, those that it imports among them",
  ),
  script(
    "class Handler:\n    def on_a(self): return 1\n    def dispatch(self, n):\n        m = getattr(self, f'on_{n}', None)\n        return m() if m else None\nprint(Handler().dispatch('a'))\n",
  ),
  script("import math\nfor name in ['sin', 'cos']:\n    print(getattr(math, name)(1.0))\n"),
  script("import operator\nops = {'+': operator.add, '-': operator.sub}\nprint(ops['+'](1, 2))\n"),
  script(
    "import unittest\nfrom unittest.mock import patch, MagicMock\nclass T(unittest.TestCase):\n    @patch('os.getcwd')\n    def test_a(self, m):\n        m.return_value = '/x'\nunittest.main()\n",
  ),
  script(
    "import re\nfrom collections import Counter, defaultdict\ntext = open('a.txt').read()\nprint(Counter(re.findall(r'\\w+', text)).most_common(5))\n",
  ),
  script(
    "import logging, os\nlogging.basicConfig(level=getattr(logging, os.environ.get('LEVEL', 'INFO')))\nlogging.info('x')\n",
  ),
  script(
    "from functools import lru_cache, partial, reduce\n@lru_cache\ndef fib(n): return n if n < 2 else fib(n-1) + fib(n-2)\nprint(fib(30))\n",
  ),
  script(
    "import ast\ntree = ast.parse(open('y.py').read())\nprint([n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)])\n",
    { "y.py": "def f(): pass\n" },
  ),
  script(
    "import ast\nsrc = open('y.py').read()\ntry:\n    compile(src, 'y.py', 'exec')\nexcept SyntaxError as e:\n    print(e)\n",
    { "y.py": "x = 1\n" },
  ),
  script("import importlib\nm = importlib.import_module('y')\nprint(m.x)\n", { "y.py": "x = 1\n" }),
  script(
    "import importlib\nfor name in ['json', 'csv', 'y']:\n    importlib.import_module(name)\n",
    { "y.py": "x = 1\n" },
  ),
  script("import sys\nsys.path.insert(0, 'src')\nfrom pkg.mod import f\nf()\n", {
    "src/pkg/__init__.py": "",
    "src/pkg/mod.py": "def f(): print(1)\n",
  }),
  script("try:\n    import numpy as np\nexcept ImportError:\n    np = None\nprint(np)\n"),
  script(
    "import os\nfor root, dirs, files in os.walk('.'):\n    for f in files:\n        p = os.path.join(root, f)\n        print(p, os.path.getsize(p))\n",
  ),
  script(
    "import hashlib, base64\nprint(base64.b64encode(hashlib.sha256(open('a','rb').read()).digest()).decode())\n",
  ),
  script("import base64\ndata = base64.b64decode('aGVsbG8=')\nopen('a.bin', 'wb').write(data)\n"),
  script(
    "import pickle\nobj = {'a': 1}\npickle.dump(obj, open('o.pkl', 'wb'))\nprint(pickle.load(open('o.pkl', 'rb')))\n",
  ),
  script("import pickle\nassert pickle.loads(pickle.dumps({'a': 1})) == {'a': 1}\n"),
  script(
    "import pickle\nfrom pathlib import Path\nprint(pickle.loads(Path('o.pkl').read_bytes()))\n",
  ),
  script(
    "import xml.etree.ElementTree as ET\nNS = {'a': 'http://www.w3.org/2005/Atom'}\nprint(ET.parse('a.xml').findall('a:entry', NS))\n",
  ),
  script(
    "import pandas as pd\ndf = pd.read_csv('a.csv')\nprint(df.eval('a + b').describe(), df.query('a > 1'))\n",
  ),
  script(
    "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('x.png')\n",
  ),
  script(
    "from textwrap import dedent\nopen('gen.py', 'w').write(dedent('''\n    print(1)\n'''))\nimport subprocess, sys\nsubprocess.run([sys.executable, 'gen.py'])\n",
  ),
  script(
    "from pathlib import Path\nimport subprocess\nPath('gen.sh').write_text('echo hi\\n')\nsubprocess.run(['bash', 'gen.sh'], check=True)\n",
  ),
  script("import shlex, subprocess\nsubprocess.run(shlex.split('ls -la /tmp'), check=True)\n"),
  script(
    "import subprocess\ncmd = ['ls']\nif True:\n    cmd.append('-l')\ncmd += ['.']\nsubprocess.run(cmd)\n",
  ),
  script("import os\nfiles = ' '.join(sorted(os.listdir('.')))\nos.system(f'wc -l {files}')\n"),
  script(
    "import timeit\nprint(timeit.timeit('sum(range(100))', number=100))\nprint(timeit.timeit(lambda: sorted([3, 1]), number=10))\n",
  ),
  script(
    "import time, functools\ndef timed(fn):\n    @functools.wraps(fn)\n    def inner(*a, **k):\n        t = time.time()\n        try:\n            return fn(*a, **k)\n        finally:\n            print(fn.__name__, time.time() - t)\n    return inner\n@timed\ndef f(): return 1\nf()\n",
  ),
  [
    "python3 -m pkg.cli --help",
    {
      "pkg/__init__.py": "",
      "pkg/cli.py": "import argparse\nfrom .core import run\nrun()\n",
      "pkg/core.py": "def run(): print(1)\n",
    },
  ],
  ["python3 setup_data.py && python3 -m http.server --help", { "setup_data.py": "print(1)\n" }],
];
