"""Makes functions.txt: values of every function at random scales, correctly rounded.

    python3 functions.py > functions.txt      (needs mpmath)

Arguments where a function has saturated beyond 900 bits get the limit, moved by 2^-400 towards
the value, so that ties round as they must.
"""
import random
from mpmath import mp, mpf
import mpmath as m
mp.prec=900
random.seed(7)
A=lambda v: mpf(v)/65536
def rnd(v):
    f=m.floor(abs(v)+mpf(1)/2)
    return int(f) if v>=0 else -int(f)
def clampf(x,a,b): return min(max(x,a),b)
K={
 'Identity':(lambda x:x,0),
 'LeakyRelu':(lambda x,a:x if x>=0 else x*A(a),1),
 'Sigmoid':(lambda x:1/(1+m.exp(-x)),0),
 'Tanh':(lambda x:m.tanh(x),0),
 'HardSigmoid':(lambda x,a,b:clampf(A(a)*x+A(b),mpf(0),mpf(1)),2),
 'HardSwish':(lambda x:x*clampf(x+3,mpf(0),mpf(6))/6,0),
 'Elu':(lambda x,a:x if x>=0 else A(a)*m.expm1(x),1),
 'Selu':(lambda x,a,g:A(g)*(x if x>=0 else A(a)*m.expm1(x)),2),
 'Softplus':(lambda x:m.log1p(m.exp(x)),0),
 'Gelu':(lambda x:x/2*m.erfc(-x/m.sqrt(2)),0),
 'GeluTanh':(lambda x:x/2*(1+m.tanh(m.sqrt(2/m.pi)*(x+mpf(44715)/10**6*x**3))),0),
 'Silu':(lambda x:x/(1+m.exp(-x)),0),
 'Erf':(lambda x:m.erf(x),0),
 'Exp':(lambda x:m.exp(x),0),
 'Log':(lambda x:m.log(x),0),
 'Sqrt':(lambda x:m.sqrt(x),0),
 'Rsqrt':(lambda x:1/m.sqrt(x),0),
 'Reciprocal':(lambda x:1/x,0),
 'Abs':(lambda x:abs(x),0),
 'Square':(lambda x:x*x,0),
 'Sin':(lambda x:m.sin(x),0),
 'Cos':(lambda x:m.cos(x),0),
 'Floor':(lambda x:m.floor(x),0),
 'Ceil':(lambda x:m.ceil(x),0),
 'Round':(lambda x:m.nint(x),0),
 'Truncate':(lambda x,d:m.sign(x)*m.sign(d)*m.floor(abs(x)/abs(d)),1),
}
LIM=2**63
print("# kind p0 p1 in_scale out_scale u value, value saturated to 64 bits. Made with mpmath at 900 bits.")
for k,(f,n) in K.items():
    for i in range(150):
        wide = i>=100
        if wide:
            ins=random.randint(-60,100); u=random.randint(-LIM,LIM-1)>>random.randint(0,62)
            outs=random.randint(-40,70)
        else:
            ins=random.choice([0,1,4,6,8,10,12,14]); mag=random.choice([2,5,9,30,200])
            u=random.randint(-mag*2**ins,mag*2**ins); outs=random.choice([0,3,7,8,12,15,20,30])
        x=mpf(u)*mpf(2)**-ins
        if k in('Log','Rsqrt') and u<=0: continue
        if k=='Reciprocal' and u==0: continue
        if k=='Sqrt' and u<0: continue
        p=[random.choice([655,13107,65536,109663,-20000,random.randint(-2**31,2**31-1)]) for _ in range(n)]
        # exp overflow
        if k in('Exp',) and abs(x)>2**12: v = mpf(2)**1000 if x>0 else mpf(2)**-1000
        elif k in('Softplus',) and abs(x)>2**12: v= x if x>0 else mpf(2)**-1000
        elif k in('Sigmoid','Silu','GeluTanh','Gelu','Erf','Elu','Selu','Tanh') and abs(x)>(20 if k in('Gelu','GeluTanh','Erf') else 300):
            pos=x>0; near=1-mpf(2)**-400
            if k=='Sigmoid' : v=near if pos else mpf(0)
            elif k=='Tanh' or k=='Erf': v=near if pos else -near
            elif k in('Silu','Gelu','GeluTanh'): v=x*near if pos else mpf(0)
            elif k=='Elu': v=x if pos else -A(p[0])*(1-mpf(2)**-800)
            else: v=A(p[1])*(x if pos else -A(p[0])*(1-mpf(2)**-800))
        else: v=f(x,*p)
        v=v*mpf(2)**outs
        r=rnd(v); r=min(max(r,-LIM),LIM-1)
        p=(p+[0,0])[:2]
        print(k,p[0],p[1],ins,outs,u,r)
